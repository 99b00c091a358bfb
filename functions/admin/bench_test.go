package admin_test

import (
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
)

// BenchmarkSeal seals 10,000 entries, of which a log may get as many in a minute. The
// baseline is reading the same entries once with the Firestore client.
func BenchmarkSeal(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		w := newWorld(b)
		w.fill(n)
		began := time.Now()
		docs := w.Default.Collection("projects/" + w.Project.ID + "/" + access.Collection).Select("leaf").Documents(b.Context())
		read, err := docs.GetAll()
		if err != nil || len(read) != n {
			b.Fatal(len(read), err)
		}
		reading := time.Since(began)
		began = time.Now()
		w.sealAll()
		took := time.Since(began)
		w.checkSealed(n)
		b.ReportMetric(n/took.Seconds(), "entries/s")
		b.ReportMetric(n/took.Minutes()/10_000, "x-10,000-a-minute")
		b.ReportMetric(took.Seconds()/reading.Seconds(), "x-reading")
	}
}
