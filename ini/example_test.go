package ini_test

import (
	"fmt"

	"example.com/ezdfs/ini"
)

func ExampleParse() {
	doc, err := ini.Parse("file.ini", []byte(`<?php /* #?ini charset="utf-8"?
[DispatchableDFS]
DefaultBackend=eZDFSFileHandlerDFSBackend
PathBackends[var/site/storage/images]=s3 ## pictures
PathBackends[var/site/storage/original]=gcs
*/ ?>`))
	if err != nil {
		fmt.Println(err)
		return
	}
	rules, _ := doc.Array("DispatchableDFS", "PathBackends")
	for _, rule := range rules {
		fmt.Printf("%s: %s → %q\n", rule.Origin, rule.Key, rule.Value)
	}
	// Output:
	// file.ini:4: var/site/storage/images → "s3 "
	// file.ini:5: var/site/storage/original → "gcs"
}

func ExampleDocument_MarshalJSON() {
	doc, _ := ini.Parse("content.ini", []byte("[Errors]\nHTTPError[1]=401\nHTTPError[kernel]=404\nTitle=<b>\n"))
	dump, _ := doc.MarshalJSON()
	fmt.Printf("%s\n", dump)
	// Output: {"Errors":{"HTTPError":{"array":[[1,"401"],["kernel","404"]]},"Title":"<b>"}}
}

func ExampleLoad() {
	doc, err := ini.Load(ini.Source{Dir: "../testdata/ini/bytes/crlf/settings"}, "file.ini")
	if err != nil {
		fmt.Println(err)
		return
	}
	value, _ := doc.Value("Group", "Key")
	origin, _ := doc.Origin("Group", "Key")
	fmt.Println(value, "from line", origin.Line)
	// Output: v from line 3
}
