package shm

import "reflect"

// Keys are compared by their bytes. So every byte of a key must be defined, and equal keys must
// have equal bytes.

// keyFormOf says how keys of type K are bytes, or why they cannot be keys.
func keyFormOf[K comparable]() (form[K], error) {
	t := reflect.TypeFor[K]()
	if t.Kind() == reflect.String {
		return formOf[K]()
	}
	e, err := elementOf[K]()
	if err != nil {
		return form[K]{}, err
	}
	if err := checkKey(t, t.String()); err != nil {
		return form[K]{}, err
	}
	return form[K]{formFixed, e.Size, e.Format, e.Bools}, nil
}

// checkKey looks for what of a type of fixed size keeps it from being a key.
func checkKey(t reflect.Type, path string) error {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return &UnsupportedTypeError{Type: t, Path: path,
			Reason: "cannot be in a key: NaN and -0 differ from their bytes; use its bits, as math.Float64bits gives them"}
	case reflect.Array:
		return checkKey(t.Elem(), path+"[]")
	case reflect.Struct:
		return checkKeyFields(t, path)
	}
	return nil
}

func checkKeyFields(t reflect.Type, path string) error {
	end := uintptr(0)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Offset != end || f.Name == "_" {
			return padded(t, path, f.Name)
		}
		if err := checkKey(f.Type, path+"."+f.Name); err != nil {
			return err
		}
		end = f.Offset + f.Type.Size()
	}
	if end != t.Size() {
		return padded(t, path, "its end")
	}
	return nil
}

// padded is the error for bytes of a struct that belong to no field.
func padded(t reflect.Type, path, before string) error {
	return &UnsupportedTypeError{Type: t, Path: path,
		Reason: "cannot be a key: the bytes before " + before + " are not defined; order the fields so that none are left, or name them"}
}
