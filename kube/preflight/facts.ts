import type { KubeObject, MutatingWebhookConfiguration, Pod } from '../../api/objects.ts';
import type { Found } from './check.ts';
import type { PublishedSchemas } from './kinds.ts';

/** What a cluster shows of itself, for the checks to judge. */

export interface ServerVersion {
  readonly major: string;
  readonly minor: string;
  readonly gitVersion: string;
}

export interface DeploymentObject extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: { readonly spec?: { readonly containers?: readonly { readonly image?: string }[] } };
  };
  readonly status?: { readonly readyReplicas?: number };
}

/** A NodePool, and why no machine can be had from it; undefined when they can. */
export interface PoolFact {
  readonly name: string;
  readonly blocker?: string;
}

/** What answered at the webhook's Service when it was called through the API server. */
export type WebhookAnswer =
  | { readonly kind: 'answers' }
  | { readonly kind: 'silent'; readonly reason: string };

/** A right that is missing, in words. */
export type MissingRights = ReadonlyMap<string, readonly string[]>;

export interface ClusterFacts {
  readonly version: Found<ServerVersion>;
  /** Plurals by group and version, of the groups that are asked for. */
  readonly served: Found<ReadonlySet<string>>;
  readonly karpenter: Found<readonly DeploymentObject[]>;
  readonly pools: Found<readonly PoolFact[]>;
  readonly schemas: Found<PublishedSchemas>;
}

export interface InstallFacts {
  readonly namespace: string;
  readonly deployments: Found<readonly DeploymentObject[]>;
  readonly pods: Found<readonly Pod[]>;
  /** Rights that our accounts lack, by account. */
  readonly missing: Found<MissingRights>;
  readonly policies: Found<readonly string[]>;
  /** Policies with a binding that denies; without one they hold nobody back. */
  readonly enforced: Found<readonly string[]>;
  readonly configurations: Found<readonly MutatingWebhookConfiguration[]>;
  readonly answer: Found<WebhookAnswer>;
}
