package main

// Every function registers itself with the functions framework; a child process
// serves the one that FUNCTION_TARGET names.
import (
	_ "github.com/lethe-analytics/lethe/functions/ingest"
	_ "github.com/lethe-analytics/lethe/functions/person"
	_ "github.com/lethe-analytics/lethe/functions/report"
	_ "github.com/lethe-analytics/lethe/functions/store"
)
