package report

// Limits of a question; what exceeds one is refused and says so.
const (
	maxEvents    = 10   // names in one segmentation
	maxName      = 1024 // bytes of an event's or a property's name
	maxBuckets   = 2000 // points of one series: 83 days of hours, five years of days
	defaultLimit = 50
	defaultDays  = 30 // of a question that names none, where it may
	maxLimit     = 1000
	maxPoints    = 250_000 // of all series of an answer, some 11 MB of JSON
)

// Limits of funnels and retention.
const (
	maxSteps     = 10  // of a funnel
	maxWindow    = 366 // days
	maxIntervals = 366 // of retention
)

// Limits of what is kept in memory while a report is computed. What comes after
// the last tracked value is counted as Other; a report over too many persons is
// refused.
const (
	maxSeries  = 10_000     // values tracked
	maxCells   = 2_000_000  // counters of all series: 16 MB
	maxText    = 16 << 20   // bytes of all values: a list or an object may be long
	maxPersons = 4_000_000  // with an ordinal: 40 bytes each
	maxNumbers = 8_000_000  // of which a quantile is made: 64 MB
	maxHits    = 4_000_000  // events of sequences at a time: of one person and day, and of a day's linked persons; 64 MB
	maxMembers = 64_000_000 // persons in all bitmaps: at most 2 bytes each
)

// Other is the value (of a segmentation) or event (of the top events) that all
// beyond the tracked ones are counted as; its "other" is true, so that it cannot be
// mistaken for a value of that name.
const Other = "$other"

// A funnel is refused that needs more cells, of 8 bytes each: some 250 MB, or one
// and a half million persons of whom most take one step or two.
const (
	maxFunnelCells = 32_000_000
	cellsOfPerson  = 14 // and one of people's ordinals
	cellsOfStep    = 5
	cellsOfTrial   = 12 // in any order
)

// Limits of raw events.
const (
	maxNames         = 100 // of an export
	maxStreamPersons = 100 // of Mixpanel's stream/query
	maxStreamEvents  = 20_000
	maxStreamBytes   = 16 << 20
)
