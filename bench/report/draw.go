package main

import (
	"image/color"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// seriesOrder has the toolkit first, and gives each series its colour, glyph and dashes in all
// pictures. The glyphs tell them apart in grey.
var seriesOrder = []string{
	"SPSC", "Queue", "Pipe", "Bytes", "Mutex", "Pool", "lock: Mutex", "task: Pool", "Lock, Unlock", "Put, Get", "look for an object",
	"C, by hand", "Boost lockfree", "unix socket", "OS pipe", "glibc, robust", "glibc, not robust", "lock: glibc, robust",
	"a process anew: os/exec", "goroutines", "Python Pipe", "Python Lock", "Python Pool", "ProcessPoolExecutor",
}

// A look is how a series is drawn.
type look struct {
	color  color.RGBA
	glyph  draw.GlyphDrawer
	dashes []vg.Length
}

var (
	blue   = color.RGBA{0x1f, 0x5f, 0xa8, 0xff}
	teal   = color.RGBA{0x11, 0x8a, 0x7e, 0xff}
	violet = color.RGBA{0x7a, 0x3e, 0x9d, 0xff}
	grey   = color.RGBA{0x55, 0x55, 0x55, 0xff}
	red    = color.RGBA{0xc2, 0x3b, 0x22, 0xff}
	orange = color.RGBA{0xd9, 0x82, 0x1a, 0xff}
	brown  = color.RGBA{0x8a, 0x5a, 0x2b, 0xff}

	dash = []vg.Length{vg.Points(5), vg.Points(3)}
	dots = []vg.Length{vg.Points(1.5), vg.Points(2.5)}
)

// looks by series. The toolkit has full lines, others have dashes.
var looks = map[string]look{
	"SPSC": {blue, draw.CircleGlyph{}, nil}, "Queue": {teal, draw.BoxGlyph{}, nil}, "Pipe": {violet, draw.PyramidGlyph{}, nil},
	"Bytes": {teal, draw.SquareGlyph{}, nil}, "Mutex": {blue, draw.CircleGlyph{}, nil}, "Pool": {blue, draw.CircleGlyph{}, nil},
	"lock: Mutex": {blue, draw.CircleGlyph{}, nil}, "task: Pool": {teal, draw.BoxGlyph{}, nil},
	"Lock, Unlock": {blue, draw.CircleGlyph{}, nil}, "Put, Get": {teal, draw.BoxGlyph{}, nil}, "look for an object": {violet, draw.PyramidGlyph{}, nil},
	"C, by hand": {grey, draw.CrossGlyph{}, dots}, "Boost lockfree": {orange, draw.PlusGlyph{}, dash}, "unix socket": {red, draw.RingGlyph{}, dash},
	"OS pipe": {orange, draw.TriangleGlyph{}, dash}, "glibc, robust": {grey, draw.CrossGlyph{}, dash}, "glibc, not robust": {grey, draw.RingGlyph{}, dots},
	"lock: glibc, robust": {grey, draw.CrossGlyph{}, dash}, "a process anew: os/exec": {orange, draw.TriangleGlyph{}, dash},
	"goroutines": {grey, draw.CrossGlyph{}, dots}, "Python Pipe": {brown, draw.SquareGlyph{}, dash}, "Python Lock": {brown, draw.SquareGlyph{}, dash},
	"Python Pool": {brown, draw.SquareGlyph{}, dash}, "ProcessPoolExecutor": {red, draw.RingGlyph{}, dash},
}

// draw writes the picture as SVG and PNG.
func (p picture) draw(dir string, points []point) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var plots []*plot.Plot
	for _, pan := range p.panels {
		if pan.tableOnly {
			continue
		}
		one, err := pan.plot(p, points)
		if err != nil {
			return err
		}
		plots = append(plots, one)
	}
	width, height := vg.Points(float64(480*len(plots))), vg.Points(330)
	svg := vgsvg.New(width, height)
	if err := write(filepath.Join(dir, p.name+".svg"), svg, plots); err != nil {
		return err
	}
	return write(filepath.Join(dir, p.name+".png"), vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(144))}, plots)
}

// A canvas is a picture in some format.
type canvas interface {
	vg.CanvasSizer
	io.WriterTo
}

// write draws the plots side by side.
func write(path string, c canvas, plots []*plot.Plot) error {
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: vg.Points(12)}
	whole := draw.New(c)
	whole.FillPolygon(color.White, []vg.Point{whole.Min, {X: whole.Max.X, Y: whole.Min.Y}, whole.Max, {X: whole.Min.X, Y: whole.Max.Y}})
	for i, cell := range plot.Align([][]*plot.Plot{plots}, tiles, whole)[0] {
		plots[i].Draw(cell)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := c.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// plot draws one pair of axes.
func (pan panel) plot(p picture, points []point) (*plot.Plot, error) {
	one := plot.New()
	one.Title.Text = p.title
	if pan.title != "" {
		one.Title.Text += ": " + pan.title
	}
	one.X.Label.Text, one.Y.Label.Text = pan.x, pan.y
	for _, style := range []*font.Font{&one.X.Label.TextStyle.Font, &one.Y.Label.TextStyle.Font, &one.X.Tick.Label.Font, &one.Y.Tick.Label.Font, &one.Legend.TextStyle.Font} {
		style.Size = 12
	}
	one.Title.TextStyle.Font.Size = 14
	one.Legend.Top, one.Legend.Left, one.Legend.Padding = true, true, vg.Points(2)
	one.Add(plotter.NewGrid())
	for _, series := range seriesOrder {
		if err := pan.addSeries(one, series, seriesPoints(p, pan, series, points)); err != nil {
			return nil, err
		}
	}
	pan.setAxes(one)
	return one, nil
}

// seriesPoints are the points of one series. Those of a distribution have the time first.
func seriesPoints(p picture, pan panel, series string, points []point) (ps []point) {
	for _, q := range points {
		if q.panel != pan.name || q.series != series {
			continue
		}
		if p.name == "recovery" {
			q.x, q.y = q.y, q.x
			q.low, q.high = q.y, q.y
		}
		ps = append(ps, q)
	}
	slices.SortFunc(ps, func(a, b point) int {
		if a.x < b.x || a.x == b.x && a.y < b.y {
			return -1
		}
		return 1
	})
	return ps
}

// addSeries adds a line with its glyphs, and the quartiles as bars.
func (pan panel) addSeries(one *plot.Plot, series string, ps []point) error {
	if len(ps) == 0 {
		return nil
	}
	xys := make(plotter.XYs, len(ps))
	bars := make(plotter.YErrors, len(ps))
	for i, q := range ps {
		xys[i].X, xys[i].Y = q.x, q.y
		bars[i].Low, bars[i].High = q.y-q.low, q.high-q.y
	}
	line, glyphs, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	l := looks[series]
	line.Color, line.Width, line.Dashes = l.color, vg.Points(1.6), l.dashes
	glyphs.Color, glyphs.Shape, glyphs.Radius = l.color, l.glyph, vg.Points(3.2)
	errorBars, err := plotter.NewYErrorBars(struct {
		plotter.XYer
		plotter.YErrorer
	}{xys, bars})
	if err != nil {
		return err
	}
	errorBars.Color = l.color
	one.Add(line, glyphs, errorBars)
	one.Legend.Add(series, line, glyphs)
	return nil
}

// setAxes sets scales, ticks and room for the legend.
func (pan panel) setAxes(one *plot.Plot) {
	if pan.logX {
		one.X.Scale, one.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	if pan.logY {
		one.Y.Scale, one.Y.Tick.Marker = plot.LogScale{}, decades{pan.time}
		one.Y.Min /= 1.5
		one.Y.Max *= 40 // the legend lies above the lines
	}
	if pan.fromY0 {
		one.Y.Min = 0
	}
	if pan.to100 {
		one.Y.Max = 140
		one.Y.Tick.Marker = plot.ConstantTicks(ticksOf(numbers(0, 25, 50, 75, 100)))
	}
	if pan.ticksX != nil {
		one.X.Tick.Marker = plot.ConstantTicks(ticksOf(pan.ticksX))
		one.X.Min, one.X.Max = pan.ticksX[0].at/1.15, pan.ticksX[len(pan.ticksX)-1].at*1.15
	}
}

// decades marks the powers of ten, those of nanoseconds by the units of time.
type decades struct{ time bool }

// Ticks implements plot.Ticker.
func (d decades) Ticks(low, high float64) (ticks []plot.Tick) {
	for _, t := range (plot.LogTicks{Prec: -1}).Ticks(low, high) {
		if t.Label != "" {
			t.Label = d.label(t.Value)
		}
		ticks = append(ticks, t)
	}
	return ticks
}

func (d decades) label(x float64) string {
	if !d.time {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	for _, unit := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}} {
		if x >= unit.ns*0.999 {
			return strconv.FormatFloat(x/unit.ns, 'f', 0, 64) + " " + unit.name
		}
	}
	return ""
}

func ticksOf(ticks []tick) (all []plot.Tick) {
	for _, t := range ticks {
		all = append(all, plot.Tick{Value: t.at, Label: t.label})
	}
	return all
}
