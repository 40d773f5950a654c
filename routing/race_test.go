//go:build race

package routing

// raceDetector tells that the tests run under the race detector, which makes them ten times slower.
const raceDetector = true
