import { type Backend, chooseBackend } from '../ground/backend.ts';

/** Something that a suite needs of its ground and that not every ground can have. */
export type GroundNeed = keyof typeof MISSING_ON_KIND;

const MISSING_ON_KIND = {
  'processes of the control plane':
    "kind's control plane is no process of ours that could be ended and started again",
  'enforced NetworkPolicies': 'the node image that is built here enforces no NetworkPolicies',
  'a registry on the loopback of its nodes': "kind's nodes have a loopback of their own",
} as const;

/** Why a test is skipped on that ground, for tap's `skip`; false where it has all that the test needs. */
export const lackOf = (backend: Backend, needs: readonly GroundNeed[]): string | false => {
  const [first] = backend === 'kind' ? needs : [];
  return first === undefined ? false : `on kind: ${MISSING_ON_KIND[first]}`;
};

/** The same for the ground that this run's environment chooses. */
export const lackHere = async (...needs: readonly GroundNeed[]): Promise<string | false> =>
  lackOf(await chooseBackend(process.env), needs);
