import { NODE_LABEL, NODE_TAINT } from './kubelet.ts';

const POLICY = { name: 'components-run-on-the-real-node' };

/**
 * Objects that send our components' pods to the node with NODE_LABEL, past its taint. The API server mutates pods by
 * namespace, so the manifests know nothing of the ground.
 */
export function placementObjects(): object[] {
  return [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicy',
      metadata: POLICY,
      spec: {
        failurePolicy: 'Fail',
        reinvocationPolicy: 'Never',
        matchConstraints: {
          namespaceSelector: {
            matchExpressions: [
              { key: 'kubernetes.io/metadata.name', operator: 'In', values: ['castai-agent'] },
            ],
          },
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
          ],
        },
        mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: sendToRealNode() } }],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: POLICY,
      spec: { policyName: POLICY.name },
    },
  ];
}

function sendToRealNode(): string {
  const toleration = `Object.spec.tolerations{key: "${NODE_TAINT.key}", operator: "Exists", effect: "${NODE_TAINT.effect}"}`;
  const label = NODE_LABEL.replaceAll('/', '~1');
  return `[
    has(object.spec.tolerations)
      ? JSONPatch{op: "add", path: "/spec/tolerations/-", value: ${toleration}}
      : JSONPatch{op: "add", path: "/spec/tolerations", value: [${toleration}]},
    has(object.spec.nodeSelector)
      ? JSONPatch{op: "add", path: "/spec/nodeSelector/${label}", value: "true"}
      : JSONPatch{op: "add", path: "/spec/nodeSelector", value: {"${NODE_LABEL}": "true"}}
  ]`;
}
