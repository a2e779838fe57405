#include "textflag.h"

// func Poll(p *uint64, old uint64, place *byte, looks uint32)
TEXT ·Poll(SB), NOSPLIT, $0-28
	MOVQ	p+0(FP), AX
	MOVQ	old+8(FP), DX
	MOVQ	place+16(FP), BX
	MOVL	looks+24(FP), CX
	TESTL	CX, CX
	JZ	done
again:
	PREFETCHT0	(BX)
	CMPQ	(AX), DX
	JNE	done
	PAUSE
	DECL	CX
	JNZ	again
done:
	RET
