import type { PublishedSchema } from '../../api/kinds/published.ts';
import type { KubeObject, MutatingWebhookConfiguration, Pod } from '../../api/objects.ts';
import type { Resource } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import type { Ref } from '../client/requestoptions.ts';
import type { Found } from './check.ts';

/** What a cluster shows of itself, for the checks to judge. */

/** With what, and how long, facts are read. */
export interface Reading {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}

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

/** Which of our charts holds something: those of the components, or that of what a cluster has once. */
export type Part = 'components' | 'cluster';

/** An object that an installation may consist of. */
export interface InstalledObject {
  readonly resource: Resource;
  readonly ref: Ref;
  readonly part: Part;
  /** True for what only some overlays or chart values install. */
  readonly isOptional: boolean;
}

export interface FoundObject extends InstalledObject {
  readonly object: KubeObject;
}

/** What is there outside of the namespace, and why some of it could not be seen. */
export interface FoundOutside {
  readonly there: readonly FoundObject[];
  readonly missing: readonly InstalledObject[];
  readonly unread: readonly { readonly kind: string; readonly message: string }[];
}

/** What whoever asks may not do, in words: of every installation, and of the options of one. */
export interface MissingToInstall {
  readonly stock: readonly string[];
  readonly options: readonly string[];
}

/** Schemas of our kinds as the API server publishes them, by kind; empty where none is installed. */
export type PublishedSchemas = ReadonlyMap<string, PublishedSchema>;

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
  readonly outside: Found<FoundOutside>;
  readonly configurations: Found<readonly MutatingWebhookConfiguration[]>;
  readonly answer: Found<WebhookAnswer>;
}
