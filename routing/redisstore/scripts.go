package redisstore

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed read.lua
	readSource string
	//go:embed swap.lua
	swapSource string
	//go:embed swap_document.lua
	swapDocumentSource string

	readScript         = redis.NewScript(readSource)
	swapScript         = redis.NewScript(swapSource)
	swapDocumentScript = redis.NewScript(swapDocumentSource)
)
