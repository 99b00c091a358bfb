package main

// Every function registers itself with the functions framework; a child process
// serves the one that FUNCTION_TARGET names.
import (
	_ "github.com/lethe-analytics/lethe/functions/admin"
	_ "github.com/lethe-analytics/lethe/functions/dashboard"
	_ "github.com/lethe-analytics/lethe/functions/delete"
	_ "github.com/lethe-analytics/lethe/functions/export"
	_ "github.com/lethe-analytics/lethe/functions/incident"
	_ "github.com/lethe-analytics/lethe/functions/ingest"
	_ "github.com/lethe-analytics/lethe/functions/opendsr"
	_ "github.com/lethe-analytics/lethe/functions/person"
	_ "github.com/lethe-analytics/lethe/functions/report"
	_ "github.com/lethe-analytics/lethe/functions/retention"
	_ "github.com/lethe-analytics/lethe/functions/store"
)
