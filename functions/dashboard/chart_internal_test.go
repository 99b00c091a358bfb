package dashboard

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-analyze/charts"
)

var (
	pointAt = regexp.MustCompile(`<circle cx="(\d+)"`)
	labelAt = regexp.MustCompile(`<text x="(-?\d+)"[^>]*>day (\d+)<`)
)

// TestLabelsBelowPoints shows that each label of a line stands in the middle below its
// point, however many there are, and that the last is among them.
func TestLabelsBelowPoints(t *testing.T) {
	t.Parallel()
	width := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 100, Height: 100}).MeasureText("day 1000", 0, labelStyle).Width()
	for _, n := range []int{1, 2, 7, 8, 9, 23, 26, 27, 32, 38} {
		c := chart{Caption: "Events", Names: []string{"Events"}, Lines: [][]float64{nil}}
		for i := range n {
			c.Labels = append(c.Labels, fmt.Sprint("day ", 1000+i))
			c.Lines[0] = append(c.Lines[0], float64(1+i%5))
		}
		for _, size := range []int{1100, 420} {
			svg, err := c.svg(size, 320)
			if err != nil {
				t.Fatal(err)
			}
			points, labels := pointAt.FindAllStringSubmatch(string(svg), -1), labelAt.FindAllStringSubmatch(string(svg), -1)
			if n == 1 { // a point that no line leads to is drawn twice
				points = points[1:]
			}
			if len(points) != n || len(labels) == 0 || labels[len(labels)-1][2] != strconv.Itoa(1000+n-1) {
				t.Fatalf("%d at %d: %d points, labels %v", n, size, len(points), labels)
			}
			for _, l := range labels {
				i, _ := strconv.Atoi(l[2])
				x, _ := strconv.ParseFloat(l[1], 64)
				at, _ := strconv.ParseFloat(points[i-1000][1], 64)
				if math.Abs(x+float64(width)/2-at) > 2 {
					t.Errorf("%d at %d: the middle of label %d is at %.0f, its point at %.0f", n, size, i-1000, x+float64(width)/2, at)
				}
			}
		}
	}
}

// TestManyLines shows that a chart says which of its lines it shows, and tells them apart
// by more than their colours.
func TestManyLines(t *testing.T) {
	t.Parallel()
	c := chart{Caption: "Events", Labels: []string{"a", "b"}}
	for i := range 9 {
		c.Names, c.Lines = append(c.Names, fmt.Sprint(i)), append(c.Lines, []float64{1, float64(i)})
	}
	d, err := c.draw()
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Names) != maxLines || d.Of != 9 {
		t.Errorf("%d names of %d", len(d.Names), d.Of)
	}
	if n := strings.Count(string(d.Wide), "<circle "); n != 2*maxLines/2 { // the others are squares and diamonds
		t.Errorf("%d round points", n)
	}
	c.Names, c.Lines = c.Names[:8], c.Lines[:8]
	if d, err = c.draw(); err != nil || d.Of != 0 {
		t.Error(d.Of, err)
	}
}
