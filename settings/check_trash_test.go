package settings

import (
	"strings"
	"testing"
)

func TestCheckTrash(t *testing.T) {
	for _, test := range []struct{ trash, want string }{
		{"", ""},
		{"trash", ""},
		{".trash/bodies/", ""},
		{"varnish", ""},
		{"../trash", "is no directory"},
		{".", "is no directory"},
		{"var", "hides files of the site"},
		{"var/", "hides files of the site"},
		{"var/site/trash", "hides files of the site"},
		{"media", "hides files of the rule for media/films"},
	} {
		file := "[eZDFSClusteringSettings]\nMountPointPath=" + t.TempDir() + "\nDFSBackend=eZDFSFileHandlerDFSDispatcher\nTrash=" + test.trash +
			"\n[DispatchableDFS]\nPathBackends[media/films]=s3\n[nfs:cold]\nMountPointPath=" + t.TempDir() + "\nTrash=" + test.trash + "\n"
		bucket := "[BackendSettings]\nBucket=b\nTrash=" + test.trash + "\n"
		found := 0
		for _, p := range Check(t.Context(), optionsFor(t, map[string]string{"file.ini": file, "dfsamazons3.ini": bucket, "dfsgcs.ini": bucket})) {
			if p.Key == "Trash" {
				found++
				if p.Severity != SeverityError || test.want == "" || !strings.Contains(p.Message, test.want) || p.Fix == "" {
					t.Errorf("Trash=%s: %v, want %q", test.trash, p, test.want)
				}
			}
		}
		if want := 4; test.want != "" && found != want {
			t.Errorf("Trash=%s: %d problems, want one for each of %d stores", test.trash, found, want)
		}
	}
}

func TestTrashOfInstances(t *testing.T) {
	s, err := Load(optionsFor(t, map[string]string{
		"file.ini":        "[eZDFSClusteringSettings]\nMountPointPath=mnt\nTrash=t1\n[nfs:cold]\nMountPointPath=cold\nTrash=t2\n",
		"dfsamazons3.ini": "[BackendSettings]\nBucket=b\nTrash=t3\n",
		"dfsgcs.ini":      "[BackendSettings]\nBucket=b\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{s.NFS["nfs"].Trash, s.NFS["nfs:cold"].Trash, s.S3["s3"].Trash, s.GCS["gcs"].Trash}; strings.Join(got, ",") != "t1,t2,t3," {
		t.Errorf("trashes %q", got)
	}
}
