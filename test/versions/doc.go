// Package versions holds tests that run gateways of two versions side by side on one Redis, as they do while they are being
// upgraded: the present one, and a build that knows a later schema of the records.
package versions
