package pool

// The types and functions of this package that have type parameters are compiled where a program
// uses them. The compiler then inlines functions of the internal packages only when it has inlined
// them here, too: it passes on the bodies of no others. So each of them is compiled here once, for
// no use. The linker leaves that out.
var (
	_ any = (*Task[byte, byte])(nil)
	_     = Define[byte, byte]
	_     = Apply[byte, byte]
	_     = ApplyAsync[byte, byte]
	_     = Map[byte, byte]
	_     = Map[[]byte, []byte]
	_     = IMap[byte, byte]
	_     = Stream[byte, byte]
)
