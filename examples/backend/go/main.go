// Command export requests the export of a live stream session, and ends when AWS has accepted it.
//
// Usage: export NAMESPACE GROUP SESSION OUTPUT_URI
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

var kind = schema.GroupVersionResource{Group: "sessionexport.dev", Version: "v1alpha1", Resource: "sessionexports"}

func export(ctx context.Context, exports dynamic.ResourceInterface, group, session, outputURI string) error {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExport",
		"metadata": map[string]any{"name": strings.ToLower(session)},
		"spec": map[string]any{
			"streamGroupIdentifier": group, "streamSessionIdentifier": session, "outputUri": outputURI,
		},
	}}
	_, err := exports.Create(ctx, object, metav1.CreateOptions{})
	// AlreadyExists: made before, by a backend that did not live to see the answer.
	for err == nil || apierrors.IsAlreadyExists(err) {
		if object, err = exports.Get(ctx, object.GetName(), metav1.GetOptions{}); err != nil {
			break
		}
		if is, message := condition(object, "Stalled"); is == "True" {
			return errors.New(message)
		}
		if is, _ := condition(object, "Accepted"); is == "True" {
			return nil
		}
		time.Sleep(time.Second)
	}
	return err
}

// condition returns status and message of one condition.
func condition(object *unstructured.Unstructured, name string) (string, string) {
	all, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, one := range all {
		if fields, _ := one.(map[string]any); fields["type"] == name {
			return fmt.Sprint(fields["status"]), fmt.Sprint(fields["message"])
		}
	}
	return "", ""
}

func run(namespace, group, session, outputURI string) error {
	// In a Pod: its ServiceAccount.
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return export(ctx, client.Resource(kind).Namespace(namespace), group, session, outputURI)
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: export NAMESPACE GROUP SESSION OUTPUT_URI")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
