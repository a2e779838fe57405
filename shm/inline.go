package shm

// The types and functions of this package that have type parameters are compiled where a program
// uses them. The compiler then inlines functions of the internal packages only when it has inlined
// them here, too: it passes on the bodies of no others. So each of them is compiled here once, for
// no use. The linker leaves that out.
var (
	_ any = (*Value[byte])(nil)
	_ any = (*Array[byte])(nil)
	_ any = (*RawValue[byte])(nil)
	_ any = (*RawArray[byte])(nil)
	_ any = (*Dict[byte, byte])(nil)
	_ any = (*Var[byte])(nil)
	_ any = (*List[byte])(nil)
)
