package gitops

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"
)

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// judged runs health.lua in a virtual machine that has what Argo CD's has for a script of argocd-cm: no library but
// base, package and table (argo-cd v3.5.7, util/lua/lua.go; its os.time is left out, for nothing here may need it).
func judged(t *testing.T, object *unstructured.Unstructured) health {
	t.Helper()
	script, err := os.ReadFile(kind{name: object.GetKind()}.folder() + "/health.lua")
	if err != nil {
		t.Fatal(err)
	}
	machine := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer machine.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		machine.Push(machine.NewFunction(open))
		machine.Push(lua.LString(name))
		machine.Call(1, 0)
	}
	machine.SetContext(t.Context())
	machine.SetGlobal("obj", luajson.DecodeValue(machine, plain(t, object)))
	if err := machine.DoString(string(script)); err != nil {
		t.Fatal(err)
	}
	text, err := luajson.Encode(machine.Get(-1))
	if err != nil {
		t.Fatal(err)
	}
	var found health
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// plain has only the types that gopher-json knows: its numbers are float64.
func plain(t *testing.T, object *unstructured.Unstructured) any {
	t.Helper()
	text, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestArgoCDsHealth(t *testing.T) {
	for _, of := range kinds {
		table := documented(t, of)
		for name, object := range objects(t, of) {
			if got, want := judged(t, object).Status, wanted(t, table, name).argo; got != want {
				t.Errorf("%s %s: %s, not %s", of.name, name, got, want)
			}
		}
	}
}

// The file that Argo CD's own test of its resource_customizations reads.
func TestTheTestThatGoesWithHealthLua(t *testing.T) {
	for _, of := range kinds {
		var file struct {
			Tests []struct {
				InputPath    string `json:"inputPath"`
				HealthStatus health `json:"healthStatus"`
			} `json:"tests"`
		}
		read(t, of.folder()+"/health_test.yaml", &file)
		if len(file.Tests) != len(objects(t, of)) {
			t.Errorf("%d tests for %d objects of %s", len(file.Tests), len(objects(t, of)), of.name)
		}
		for _, test := range file.Tests {
			if got := judged(t, object(t, of.folder()+"/"+test.InputPath)); got != test.HealthStatus {
				t.Errorf("%s %s: %+v", of.name, test.InputPath, got)
			}
		}
	}
}

// What a person sees in Argo CD is the operator's own sentence.
func TestTheMessageIsThatOfReady(t *testing.T) {
	for _, of := range kinds {
		for name, object := range objects(t, of) {
			got, want := judged(t, object).Message, "Waiting for the operator"
			conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
			for _, condition := range conditions {
				if condition.(map[string]any)["type"] == "Ready" && !strings.HasPrefix(name, "edited") {
					want = condition.(map[string]any)["message"].(string)
				}
			}
			if got != want {
				t.Errorf("%s %s: %q, not %q", of.name, name, got, want)
			}
		}
	}
}

// Argo CD has a script for each kind; these two are one.
func TestBothKindsHaveTheSameScript(t *testing.T) {
	var scripts []string
	for _, of := range kinds {
		text, err := os.ReadFile(of.folder() + "/health.lua")
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, string(text))
	}
	if scripts[0] != scripts[1] {
		t.Error("they differ")
	}
}

// The status is all that the operator writes to a SessionExport: it has no right to more.
func TestArgoCDIsToldToIgnoreTheStatusesOfAPolicysExports(t *testing.T) {
	var configuration struct {
		Data map[string]string `json:"data"`
	}
	read(t, "argocd/argocd-cm.yaml", &configuration)
	var ignored map[string][]string
	key := "resource.customizations.ignoreResourceUpdates.sessionexport.dev_SessionExport"
	if err := yaml.UnmarshalStrict([]byte(configuration.Data[key]), &ignored); err != nil {
		t.Fatal(err)
	}
	if want := map[string][]string{"jsonPointers": {"/status"}}; !reflect.DeepEqual(ignored, want) {
		t.Error(ignored)
	}
	annotations, _, _ := unstructured.NestedStringMap(object(t, "argocd/every-session.yaml").Object,
		"spec", "template", "metadata", "annotations")
	if annotations["argocd.argoproj.io/ignore-resource-updates"] != "true" {
		t.Error(annotations)
	}
}

// Neither an object of before the default of status, nor one whose conditions somebody has cleared, is an error.
func TestWithoutAStatusOrConditionsItIsInProgress(t *testing.T) {
	bare := objects(t, export)["exported"]
	unstructured.RemoveNestedField(bare.Object, "status", "conditions")
	if got := judged(t, bare).Status; got != "Progressing" {
		t.Error(got)
	}
	unstructured.RemoveNestedField(bare.Object, "status")
	if got := judged(t, bare).Status; got != "Progressing" {
		t.Error(got)
	}
}
