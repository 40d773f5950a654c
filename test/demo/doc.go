// Package demo holds the tests of `make run` and of the calls that README.md shows.
package demo
