// Package deploy holds the tests of what is in the directory deploy: the dashboard, the alert rules, and the
// configurations of what stands around the gateway. Rules and dashboard are tried with a real Prometheus that scrapes a
// built gateway at work.
package deploy
