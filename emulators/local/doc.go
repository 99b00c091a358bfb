// Package local holds the parts of a Lethe that runs on one machine: Google's own
// emulators as child processes, fakes in this process for what has no emulator,
// and what stands for Pub/Sub's push service. Program emulators puts them
// together; tests of any package take the parts they need (see testing.go).
//
//	this process ─┬─ Reaper ──── java: Firestore ◀─ gate (if restartable)
//	              │         └─── java: PubSub
//	              ├─ package localstorage (Cloud Storage: fake-gcs-server)
//	              ├─ Logging  (Cloud Logging, in memory)
//	              └─ Relay    (subscription ─ pull ─▶ POST to a function ─▶ ack | nack)
//
// A part is ready when its Start function returns; a part's context bounds its
// start only. Whatever kills this process also ends the children (Reaper).
package local
