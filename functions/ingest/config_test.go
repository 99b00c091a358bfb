package ingest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"github.com/lethe-analytics/lethe/functions/ingest"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	var c ingest.Config
	if err := gcp.LoadFrom(t.Context(), &c, envconfig.MapLookuper(map[string]string{"GOOGLE_CLOUD_PROJECT": "lethe-local"})); err != nil ||
		c.Linger != 5*time.Millisecond || c.PublishTimeout != 10*time.Second {
		t.Errorf("%+v, %v", c, err)
	}
	err := gcp.LoadFrom(t.Context(), &ingest.Config{}, envconfig.MapLookuper(map[string]string{
		"GOOGLE_CLOUD_PROJECT": "X", "LETHE_INGEST_LINGER": "0s", "LETHE_INGEST_CACHE_TTL": "-1s"}))
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "LETHE_INGEST_LINGER", "LETHE_INGEST_CACHE_TTL"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}
