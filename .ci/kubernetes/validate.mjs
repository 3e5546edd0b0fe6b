// Reads Kubernetes objects, a JSON array, from standard input; validates those of KEDA and of the
// Prometheus operator against their published schemas. Ends with 1 where one is not valid, or
// where none is of such a kind. A field that no schema knows is not found.
import { readFileSync } from 'node:fs';
import * as keda from '@kubernetes-models/keda/keda.sh/v1alpha1';
import * as monitoring from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';

const groups = { 'keda.sh/v1alpha1': keda, 'monitoring.coreos.com/v1': monitoring };
const objects = JSON.parse(readFileSync(0, 'utf8')).filter((each) => groups[each.apiVersion]);
for (const each of objects) {
  const what = `${each.kind} ${each.metadata?.name}`;
  try {
    new groups[each.apiVersion][each.kind](each).validate();
    console.log(`${what}: valid`);
  } catch (error) {
    console.error(`${what}: ${error.message}`);
    process.exitCode = 1;
  }
}
if (!objects.length) {
  console.error('nothing to validate');
  process.exitCode = 1;
}
