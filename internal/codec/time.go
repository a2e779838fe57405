package codec

import (
	"fmt"
	"math"
	"reflect"
	"sync"
	"time"
)

// A time in UTC is tag 0 and a text of RFC 3339. Any other is an array: seconds since 1970,
// nanoseconds, seconds east of UTC, the abbreviation of its zone, the name of its location.

func appendTime(b []byte, t time.Time) []byte {
	if y := t.Year(); t.Location() == time.UTC && y >= 0 && y <= 9999 {
		return appendText(appendHead(b, majorTag, tagTime), t.Format(time.RFC3339Nano))
	}
	zone, offset := t.Zone()
	b = appendInt(appendHead(b, majorArray, 5), t.Unix())
	b = appendInt(appendInt(b, int64(t.Nanosecond())), int64(offset))
	return appendText(appendText(b, zone), t.Location().String())
}

// time reads a time with the head h, in the form that this package writes, or in that of RFC 8949.
func (d *decoder) time(h head) (t time.Time, err error) {
	for h.major == majorTag {
		if h, err = d.head(); err != nil {
			return t, err
		}
	}
	switch {
	case h.major == majorText:
		text, err := d.take(h.n)
		if err != nil {
			return t, err
		}
		return time.Parse(time.RFC3339Nano, string(text))
	case h.major == majorArray && h.n == 5:
		return d.timeParts()
	}
	seconds, ok := h.float()
	if whole, fraction := math.Modf(seconds); ok && math.Abs(seconds) < 1<<52 {
		return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), nil
	}
	return t, d.misfit(h, timeType)
}

func (d *decoder) timeParts() (t time.Time, err error) {
	var parts struct {
		sec, nsec, offset int64
		zone, location    string
	}
	for _, p := range []any{&parts.sec, &parts.nsec, &parts.offset, &parts.zone, &parts.location} {
		v := reflect.ValueOf(p).Elem()
		of, err := planOf(v.Type())
		if err == nil {
			err = d.value(of, v)
		}
		if err != nil {
			return t, err
		}
	}
	const day = 24 * 60 * 60
	if parts.nsec < 0 || parts.nsec >= 1e9 || parts.offset < -10*day || parts.offset > 10*day {
		return t, fmt.Errorf("%+v is no time", parts)
	}
	t = time.Unix(parts.sec, parts.nsec)
	for _, l := range []*time.Location{t.Location(), location(parts.location)} {
		if zone, offset := t.In(l).Zone(); l.String() == parts.location && zone == parts.zone && int64(offset) == parts.offset {
			return t.In(l), nil
		}
	}
	return t.In(time.FixedZone(parts.zone, int(parts.offset))), nil
}

// locations keeps the zones that were looked up, so that a time costs no file.
var locations struct {
	sync.Mutex
	known map[string]*time.Location
}

// maxLocations is more than there are zones.
const maxLocations = 1024

// location finds a zone of the time zone database, or gives UTC.
func location(name string) *time.Location {
	locations.Lock()
	defer locations.Unlock()
	if l := locations.known[name]; l != nil {
		return l
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		l = time.UTC
	}
	if locations.known == nil || len(locations.known) > maxLocations {
		locations.known = map[string]*time.Location{}
	}
	locations.known[name] = l
	return l
}
