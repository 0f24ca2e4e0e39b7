import { GROUP } from '../../api/labels.ts';
import type { KubeObject } from '../../api/objects.ts';
import type { Resource } from '../../api/resources.ts';

/** What the admission policy reads of a running plan, under the plan's name; manifests/components/soft-pins has the kind. */
export interface SoftPinsObject extends KubeObject {
  readonly spec: {
    /** Nodes of each owner, by its namespace and uid. */
    readonly owners: Readonly<Record<string, string>>;
  };
}

export const SOFT_PINS: Resource<SoftPinsObject> = {
  group: GROUP,
  version: 'v1alpha',
  kind: 'SoftPins',
  plural: 'softpins',
  namespaced: false,
};
