package apitest

//go:generate go tool oapi-codegen -config client.yaml -o client_gen.go ../openapi-3.0.yaml
