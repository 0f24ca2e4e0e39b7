module precision-packer.dev/ground/pause

go 1.26.0
