"""Requests the export of a live stream session, and returns when AWS has accepted it.

Usage: export.py NAMESPACE GROUP SESSION OUTPUT_URI
"""
import sys
import time

from kubernetes import client, config

KIND = {"group": "sessionexport.dev", "version": "v1alpha1", "plural": "sessionexports"}


def export(namespace, group, session, output_uri, seconds=60):
    exports, name = client.CustomObjectsApi(), session.lower()
    spec = {"streamGroupIdentifier": group, "streamSessionIdentifier": session, "outputUri": output_uri}
    body = {"apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExport", "metadata": {"name": name}, "spec": spec}
    try:
        exports.create_namespaced_custom_object(namespace=namespace, body=body, **KIND)
    except client.ApiException as error:
        if error.status != 409:  # 409: made before, by a backend that did not live to see the answer
            raise
    for _ in range(seconds):
        found = exports.get_namespaced_custom_object(namespace=namespace, name=name, **KIND)
        conditions = {condition["type"]: condition for condition in found["status"].get("conditions", [])}
        if "Stalled" in conditions:
            raise RuntimeError(conditions["Stalled"]["message"])
        if conditions.get("Accepted", {}).get("status") == "True":
            return found
        time.sleep(1)
    raise TimeoutError(f"SessionExport {name} is not accepted yet; it goes on by itself")


if __name__ == "__main__":
    config.load_config()  # In a Pod: its ServiceAccount.
    print(export(*sys.argv[1:])["metadata"]["name"])
