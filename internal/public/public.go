// Package public leads from the errors of internal packages to the types that users know them by.
//
// A package that users import declares its error types itself, so that its documentation shows
// their fields and methods. The errors come from packages below it, which cannot name those types.
// Such an internal error has the methods As and Is, which call [As] and [Is], and the package above
// it says with [Present] how its own type is made. So [errors.As] finds the public type wherever
// the error comes out, and no call has to convert what it returns.
package public

import "reflect"

// A presenter answers for the internal errors of one type.
type presenter struct {
	as func(err error, target any) bool
	is func(err, target error) bool
}

// presenters are found by the type of the internal error. They are written by initialisation alone.
var presenters = map[reflect.Type]presenter{}

// Present says how the public error is made of an internal one: a pointer of another type to the
// same error. It is called from an init function, once for each internal type.
func Present[Internal, Public error](convert func(Internal) Public) {
	presenters[reflect.TypeFor[Internal]()] = presenter{
		as: func(err error, target any) bool {
			to, ok := target.(*Public)
			if ok {
				*to = convert(err.(Internal))
			}
			return ok
		},
		is: func(err, target error) bool { return error(convert(err.(Internal))) == target },
	}
}

// As sets target to the public form of err and reports true, if target points to that type.
func As(err error, target any) bool {
	p, ok := presenters[reflect.TypeOf(err)]
	return ok && p.as(err, target)
}

// Is reports whether target is the public form of err, as As has found it.
func Is(err, target error) bool {
	p, ok := presenters[reflect.TypeOf(err)]
	return ok && p.is(err, target)
}
