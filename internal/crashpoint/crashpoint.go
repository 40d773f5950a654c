// Package crashpoint names the steps between reading a call and answering it, so that tests may have the gateway die at
// any of them. Without the build tag osb_crashpoints, Reach does nothing and is compiled to nothing.
//
// With it, the environment of the process says where it dies:
//
//	OSB_CRASH_AT=<point>[#<calls>]   dies at that point when so many calls are there; the others wait (default 1)
//	OSB_CRASH_ARMED=<file>           not before this file exists
package crashpoint

// The steps of a call, in their order.
const (
	// Received: the call was parsed, and nothing more.
	Received = "received"
	// BeforeBegin: the call is about to be entered in the store.
	BeforeBegin = "before-begin"
	// AfterBegin: it was entered.
	AfterBegin = "after-begin"
	// BeforeSend: it is about to be sent to its backend.
	BeforeSend = "before-send"
	// Answered: the backend answered, or was given up.
	Answered = "answered"
	// BeforeClose: the outcome is about to be written.
	BeforeClose = "before-close"
	// AfterClose: it was written.
	AfterClose = "after-close"
	// BeforeAnswer: the platform is about to be answered.
	BeforeAnswer = "before-answer"
)

// Points returns all points in the order in which a call comes to them.
func Points() []string {
	return []string{Received, BeforeBegin, AfterBegin, BeforeSend, Answered, BeforeClose, AfterClose, BeforeAnswer}
}
