package settings_test

import (
	"context"
	"fmt"

	"example.com/ezdfs/settings"
)

// A program without settings files starts from the defaults.
func ExampleDefaults() {
	s := settings.Defaults()
	s.DFS.DBBackend = "SQLite"
	s.DFS.DBName = "cluster.sqlite"
	engine, _ := s.DFS.Engine()
	def, _, _ := s.Routing()
	fmt.Println(engine, def, s.Content.GenerationTimeout)
	// Output: SQLite nfs 1m0s
}

func ExampleLoad() {
	_, err := settings.Load(settings.Options{Dir: "no/such/settings"})
	fmt.Println(err)
	// Output: settings directory "no/such/settings": file does not exist
}

func ExampleCheck() {
	for _, problem := range settings.Check(context.Background(), settings.Options{Dir: "no/such/settings"}) {
		fmt.Println(problem)
	}
	// Output: error: settings directory "no/such/settings": file does not exist
}

func ExampleBackendName() {
	for _, name := range []string{"eZDFSFileHandlerDFSAmazon", "s3:media", "ftp"} {
		instance, ok := settings.BackendName(name)
		fmt.Println(instance, ok)
	}
	// Output:
	// s3 true
	// s3:media true
	//  false
}
