package gitops

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
)

// kstatus is what Flux, `flux` and kpt wait with, unless told otherwise.
func TestKstatus(t *testing.T) {
	for _, of := range kinds {
		table := documented(t, of)
		for name, object := range objects(t, of) {
			result, err := status.Compute(object)
			if err != nil {
				t.Fatalf("%s %s: %v", of.name, name, err)
			}
			if want := wanted(t, table, name).kstatus; result.Status.String() != want {
				t.Errorf("%s %s: %s (%s), not %s", of.name, name, result.Status, result.Message, want)
			}
		}
	}
}

func TestTheHealthCheckExpressionsForFlux(t *testing.T) {
	for _, of := range kinds {
		var kustomization struct {
			Spec struct {
				HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
			} `json:"spec"`
		}
		read(t, of.flux, &kustomization)
		exprs := kustomization.Spec.HealthCheckExprs
		if len(exprs) != 1 || exprs[0].APIVersion != "sessionexport.dev/v1alpha1" || exprs[0].Kind != of.name {
			t.Fatalf("%+v", exprs)
		}
		evaluator, err := cel.NewStatusEvaluator(&exprs[0].HealthCheckExpressions)
		if err != nil {
			t.Fatal(err)
		}
		table := documented(t, of)
		for name, object := range objects(t, of) {
			result, err := evaluator.Evaluate(t.Context(), object)
			if err != nil {
				t.Fatalf("%s %s: %v", of.name, name, err)
			}
			if want := wanted(t, table, name).flux; result.Status.String() != want {
				t.Errorf("%s %s: %s, not %s", of.name, name, result.Status, want)
			}
		}
	}
}
