package dashboard

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/go-analyze/charts"
)

// chart is a chart of lines, each with a value for each label.
type chart struct {
	Caption string
	Labels  []string
	Names   []string
	Lines   [][]float64
	Bars    bool // side by side, in the place of lines
}

// missing is a value that there is none of: the line has a gap.
var missing = charts.GetNullValue()

// padding leaves room for half of the topmost and of the last label.
var padding = charts.NewBox(4, 10, 36, 4)

// maxLines is how many lines a chart shows; there are as many colours.
const maxLines = 8

// The chart is drawn twice, as text would be too small in one that is made narrower.
type drawing struct {
	Caption      string
	Names        []string // in the order of the colours; none where there is but one
	Of           int      // how many lines there are, if it shows only the first
	Bars         bool
	Wide, Narrow template.HTML
}

// draw draws it as two SVGs, which stand in the page.
func (c chart) draw() (*drawing, error) {
	wide, err := c.svg(1100, 320)
	if err != nil {
		return nil, err
	}
	narrow, err := c.svg(420, 320)
	d := &drawing{Caption: c.Caption, Bars: c.Bars, Wide: wide, Narrow: narrow}
	if len(c.Names) > 1 {
		d.Names = c.Names[:min(len(c.Names), maxLines)]
	}
	if len(c.Names) > maxLines {
		d.Of = len(c.Names)
	}
	return d, err
}

// The colours are placeholders, which inStyle makes variables of the stylesheet: so a
// drawing follows the scheme of whoever looks at it.
var (
	placeholder = func(n uint8) charts.Color { return charts.Color{R: 1, G: 2, B: n, A: 255} }
	theme       = charts.MakeTheme(charts.ThemeOption{
		AxisStrokeColor: placeholder(100), AxisSplitLineColor: placeholder(100), TextColor: placeholder(101), BackgroundColor: placeholder(102),
		SeriesColors: func() (all []charts.Color) {
			for i := range uint8(maxLines) {
				all = append(all, placeholder(i+1))
			}
			return all
		}(),
	})
	variables = func() *strings.Replacer {
		pairs := []string{"rgb(1,2,100)", "var(--chart-line)", "rgb(1,2,101)", "var(--chart-text)", "rgb(1,2,102)", "var(--card)"}
		for i := range maxLines {
			pairs = append(pairs, fmt.Sprintf("rgb(1,2,%d)", i+1), fmt.Sprintf("var(--chart-%d)", i+1))
		}
		return strings.NewReplacer(pairs...)
	}()
)

// labelStyle is that of both axes.
var labelStyle = charts.FontStyle{FontSize: 9, FontColor: placeholder(101)}

func (c chart) svg(width, height int) (template.HTML, error) {
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height})
	lines := c.Lines[:min(len(c.Lines), maxLines)]
	var err error
	if c.Bars {
		opt := charts.NewBarChartOptionWithData(lines)
		opt.Theme, opt.Padding, opt.ValueFormatter = theme, padding, number
		opt.Legend.Show = charts.Ptr(false)
		c.axes(&opt.CategoryAxis, opt.ValueAxis, lines, width)
		err = p.BarChart(opt)
	} else {
		c, lines, spread := c.placed(lines, width)
		opt := charts.NewLineChartOptionWithData(lines)
		opt.Theme, opt.Padding, opt.ValueFormatter = theme, padding, number
		opt.Legend.Show = charts.Ptr(false) // stands beside, as text
		opt.LineStrokeWidth = 2.5
		opt.Symbol = charts.Symbol{Shape: charts.SymbolNone}
		for i := range opt.SeriesList {
			if len(c.Labels) < 40 {
				opt.SeriesList[i].Symbol.Shape = shapes[i%len(shapes)]
			}
		}
		c.axes(&opt.XAxis, opt.YAxis, lines, width)
		opt.XAxis.BoundaryGap = &spread
		if !spread {
			opt.XAxis.LabelOffset.Left = -p.MeasureText(c.Labels[0], 0, labelStyle).Width() / 2
		}
		err = p.LineChart(opt)
	}
	if err != nil {
		return "", fmt.Errorf("draw a chart: %w", err)
	}
	text, err := p.Bytes()
	if err != nil {
		return "", fmt.Errorf("draw a chart: %w", err)
	}
	// The numbers are in the table beside it: who can not see has no use for the drawing.
	text = bytes.Replace(text, []byte("<svg "), []byte(`<svg aria-hidden="true" focusable="false" `), 1)
	return template.HTML(inStyle(text)), nil // the library escapes the texts
}

// shapes of points, beside their colours: .legend has the same.
var shapes = []charts.SymbolShape{charts.SymbolDot, charts.SymbolSquare, charts.SymbolDiamond, charts.SymbolCircle}

// Where points have a slot each, the library has each label below its point, unless there
// is but one. Denser ones it spreads from edge to edge, and has labels begin below their
// points, but for the last, which ends there.
const (
	slot   = 40  // pixels, the library's threshold
	beside = 120 // that the labels of the other axis may take, with room
)

// placed adds places without a label or a value, so that each label can stand below its
// point: at both ends of a single point, or at the end of dense ones, whose labels then
// are to be shifted by half of their width.
func (c chart) placed(lines [][]float64, width int) (_ chart, padded [][]float64, spread bool) {
	before, after := 0, 0
	switch spread = (width-beside)/max(1, len(c.Labels)) > slot; {
	case len(c.Labels) == 1:
		before, after = 1, 1
	case !spread:
		after = 1
	}
	for _, line := range lines {
		padded = append(padded, slices.Concat(slices.Repeat([]float64{missing}, before), line, slices.Repeat([]float64{missing}, after)))
	}
	c.Labels = slices.Concat(make([]string, before), c.Labels, make([]string, after))
	return c, padded, spread
}

// axes labels both axes so that whole numbers stay whole.
func (c chart) axes(x *charts.XAxisOption, y []charts.YAxisOption, lines [][]float64, width int) {
	// Evenly, the last one among them; the library's own choice lets labels overlap.
	x.Labels = make([]string, len(c.Labels))
	room := max(2, width/110)
	step := (len(c.Labels) + room - 1) / room
	for i := len(c.Labels) - 1; i >= 0; i-- {
		if c.Labels[i] != "" {
			x.Labels[i] = shorten(c.Labels[i], 24)
			i -= step - 1
		}
	}
	x.LabelFontStyle = labelStyle
	x.LabelCount = len(c.Labels)
	least, most := 0.0, 0.0
	for _, line := range lines {
		for _, v := range line {
			if v != missing {
				least, most = min(least, v), max(most, v)
			}
		}
	}
	for i := range y {
		y[i].LabelFontStyle = labelStyle
		if least == 0 {
			y[i].Min = charts.Ptr(0.0)
		}
		if most <= 4 && least == 0 {
			y[i].Max = charts.Ptr(max(1, math.Ceil(most)))
			y[i].LabelCount = int(*y[i].Max) + 1
		}
	}
}

func number(f float64) string { return show(f) }

// shorten cuts a text for a label.
func shorten(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

var style = regexp.MustCompile(` style="([^"]*)"`)

// inStyle turns style attributes, which the Content-Security-Policy forbids, into SVG's
// attributes of the same names, and the placeholders into the stylesheet's variables.
func inStyle(svg []byte) string {
	out := style.ReplaceAllFunc(svg, func(attribute []byte) []byte {
		var b bytes.Buffer
		for rule := range strings.SplitSeq(string(style.FindSubmatch(attribute)[1]), ";") {
			name, value, ok := strings.Cut(rule, ":")
			if name = strings.TrimSpace(name); ok && name != "font-family" { // the page's own
				fmt.Fprintf(&b, ` %s="%s"`, name, variables.Replace(strings.TrimSpace(value)))
			}
		}
		return b.Bytes()
	})
	return string(out)
}
