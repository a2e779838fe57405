#include "textflag.h"

// func PrefetchWrite(b []byte)
TEXT ·PrefetchWrite(SB), NOSPLIT, $0-24
	MOVQ b_base+0(FP), AX
	MOVQ b_len+8(FP), CX
	ADDQ AX, CX
	JMP  check
next:
	BYTE $0x0F; BYTE $0x0D; BYTE $0x08 // PREFETCHW (AX); does nothing where it is not known
	ADDQ $64, AX
check:
	CMPQ AX, CX
	JCS  next
	RET

// func Prefetch(p *byte)
TEXT ·Prefetch(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), AX
	PREFETCHT0 (AX)
	RET
