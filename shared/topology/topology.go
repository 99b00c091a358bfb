// Package topology is the one list of what Lethe is made of: functions, their
// routes and topics, the databases and the bucket. The local system
// (emulators/) starts from it, and Terraform is held against it.
//
//	HTTP ─▶ ingest ─▶ topic events ─▶ store ─▶ Firestore ─▶ report, person
//	                       └─ after MaxDeliveries, or a permanent fault ─▶ events-dead
package topology

import "time"

// Names of the Firestore databases. Ingest reads Edge and nothing else.
const (
	DefaultDatabase = "(default)"
	EdgeDatabase    = "edge"
)

// TopicEvents carries batches of events and profile operations from ingest to store.
const TopicEvents = "events"

// Delivery rules of every push subscription.
const (
	AckDeadline   = 60 * time.Second // a push unanswered for this long is delivered again
	MinBackoff    = 1 * time.Second  // between deliveries of one message, growing
	MaxBackoff    = 60 * time.Second // to this
	MaxDeliveries = 20               // then the message goes to the dead-letter topic
	Retention     = 7 * 24 * time.Hour
)

// DeadTopic is the dead-letter topic of a topic; its one subscription has the
// same name and is read by scripts/replay.
func DeadTopic(topic string) string { return topic + "-dead" }

// PushSubscription is the name of a topic's push subscription: the topic and
// the function that works on it.
func PushSubscription(topic, function string) string { return topic + "-" + function }

// Function is one deployed function.
type Function struct {
	Name       string   // folder under functions/, service account, Terraform file
	EntryPoint string   // name registered with the functions framework
	Paths      []string // routed to it by the load balancer: exact, or a prefix ending in "/*"
	Topic      string   // pushed to it, if not empty
}

// Functions lists all of them.
var Functions = []Function{
	{Name: "ingest", EntryPoint: "Ingest", Paths: []string{
		"/track", "/track/*", "/engage", "/engage/*", "/import", "/import/*",
	}},
	{Name: "store", EntryPoint: "Store", Topic: TopicEvents},
	{Name: "report", EntryPoint: "Report", Paths: []string{"/v1/reports/*"}},
	{Name: "person", EntryPoint: "Person", Paths: []string{"/v1/people/*"}},
}

// Topics lists every topic that is pushed to a function.
func Topics() []string {
	var topics []string
	for _, f := range Functions {
		if f.Topic != "" {
			topics = append(topics, f.Topic)
		}
	}
	return topics
}
