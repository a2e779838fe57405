package describe

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/shmkit/shmkit/internal/elem"
)

// exact is the largest integer that every reader of JSON takes for what it is.
const exact = 1 << 53

// JSON is a value as the encoder of JSON writes it without loss: integers beyond 2⁵³, NaN and
// infinities are strings, bytes are {"hex": …}, what is no UTF-8 is quoted, a struct is an object
// with its fields in their order.
func JSON(value any) any {
	switch v := value.(type) {
	case int64:
		if v > exact || v < -exact {
			return strconv.FormatInt(v, 10)
		}
	case int:
		return JSON(int64(v))
	case uint64:
		if v > exact {
			return strconv.FormatUint(v, 10)
		}
	case float32:
		return float(float64(v), 32)
	case float64:
		return float(v, 64)
	case complex128:
		return []any{float(real(v), 64), float(imag(v), 64)}
	case string:
		if !utf8.ValidString(v) {
			return strconv.Quote(v)
		}
	case []byte:
		return map[string]string{"hex": hex.EncodeToString(v)}
	case Encoded:
		return map[string]string{"cbor": hex.EncodeToString(v)}
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = JSON(v[i])
		}
		return all
	case elem.Struct:
		return structure(v)
	case Entry:
		return structure{{Name: "key", Value: v.Key}, {Name: "value", Value: v.Value}}
	}
	return value
}

func float(f float64, bits int) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, bits)
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, bits))
}

// structure is a struct as an object of JSON.
type structure elem.Struct

// MarshalJSON writes the fields in their order.
func (s structure) MarshalJSON() ([]byte, error) {
	facts := make(Facts, len(s))
	for i, m := range s {
		facts[i] = Fact(m)
	}
	return facts.MarshalJSON()
}

// MarshalJSON writes an object with the facts in their order.
func (f Facts) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, fact := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(fact.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(JSON(fact.Value))
		if err != nil {
			return nil, err
		}
		b.Write(append(append(name, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
