import { type Check, checkFound, type Found, fine, lacks, note } from './check.ts';
import type { ServerVersion } from './facts.ts';

/** The oldest minor version with all kinds of manifests/base but admission policies: FlowSchemas are v1 from it on. */
const OLDEST = 29;
/** From this one on there are ValidatingAdmissionPolicies. */
const WITH_POLICIES = 30;

/** Minor versions as managed clusters write them: 33+. */
export const minorOf = ({ minor }: Pick<ServerVersion, 'minor'>): number => Number.parseInt(minor, 10);

export const checkKubernetes = (version: Found<ServerVersion>): readonly Check[] =>
  checkFound('kubernetes', 'The version of Kubernetes', version, (found) => {
    const minor = minorOf(found);
    if (!(minor >= OLDEST) && found.major === '1') {
      return [
        lacks(
          `Kubernetes ${found.gitVersion} is too old for our FlowSchemas and match conditions: update the control plane to 1.${OLDEST} or newer.`,
        ),
      ];
    }
    return minor < WITH_POLICIES && found.major === '1'
      ? [
          note(
            `Kubernetes ${found.gitVersion} knows no ValidatingAdmissionPolicies: leave ours out, by dist/kustomize/overlays/before-1.30 instead of dist/kustomize, or by policies.enabled=false of the chart precision-packer-crds.`,
          ),
        ]
      : [fine(`Kubernetes ${found.gitVersion}.`)];
  });
