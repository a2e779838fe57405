//go:build !race

#include "textflag.h"

// func copyString(dst, src []byte)
TEXT ·copyString(SB), NOSPLIT, $0-48
	MOVQ	dst_base+0(FP), DI
	MOVQ	dst_len+8(FP), CX
	MOVQ	src_base+24(FP), SI
	REP;	MOVSB
	RET
