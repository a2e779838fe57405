package queue

// The types and functions of this package that have type parameters are compiled where a program
// uses them. The compiler then inlines functions of the internal packages only when it has inlined
// them here, too: it passes on the bodies of no others. So each of them is compiled here once, for
// no use. The linker leaves that out.
var (
	_ any = (*Queue[byte])(nil)
	_ any = (*SPSC[byte])(nil)
	_ any = (*Objects[byte])(nil)
	_ any = (*Broadcast[byte])(nil)
	_ any = (*Reader[byte])(nil)
	_ any = (*overwrittenReader[byte])(nil)
	_ any = (*BroadcastObjects[byte])(nil)
	_ any = (*ObjectsReader[byte])(nil)
)
