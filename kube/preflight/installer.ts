import type { Resource } from '../../api/resources.ts';
import { type Found, look } from './check.ts';
import type { MissingToInstall, Reading } from './facts.ts';
import { installedObjects } from './installed.ts';
import { askOneself, grantedRights, type Right, rightText } from './rights.ts';
import { readServed, servedName } from './served.ts';

/** What whoever installs us has to be allowed. */

/** Verbs of `kubectl apply --server-side` and of Helm. */
const VERBS = ['create', 'patch'];

const onKind = ({ group, plural }: Resource): readonly Right[] =>
  VERBS.map((verb) => ({ account: '', verb, group, resource: plural }));

const onRoles = (verb: string): readonly Right[] =>
  ['clusterroles', 'roles'].map((resource) => ({
    account: '',
    verb,
    group: 'rbac.authorization.k8s.io',
    resource,
  }));

/** The kinds that every installation consists of, and those that only options of it need. */
const installedKinds = (): { readonly stock: readonly Resource[]; readonly options: readonly Resource[] } => {
  const objects = installedObjects();
  const kinds = new Map(objects.map(({ resource }) => [servedName(resource), resource]));
  const ofStock = new Set(
    objects.flatMap(({ resource, isOptional }) => (isOptional ? [] : [servedName(resource)])),
  );
  return {
    stock: [...kinds].flatMap(([name, kind]) => (ofStock.has(name) ? [kind] : [])),
    options: [...kinds].flatMap(([name, kind]) => (ofStock.has(name) ? [] : [kind])),
  };
};

/**
 * What whoever asks may not do of an installation, in words; kinds that are not served are not asked for. Roles may be written and
 * bound by those who have `escalate` and `bind`, and by those who have the rights in them themselves.
 */
export const missingToInstall = (o: Reading, namespace: string): Promise<Found<MissingToInstall>> =>
  look(async () => {
    const { client, signal } = o;
    const { stock, options } = installedKinds();
    const served = await readServed(o, [...stock, ...options]);
    const missingOn = async (kinds: readonly Resource[]): Promise<readonly string[]> => {
      const rights = kinds.filter((kind) => served.has(servedName(kind))).flatMap(onKind);
      return (await askOneself(client, rights, signal)).map(rightText);
    };
    const overRoles = await askOneself(client, [...onRoles('escalate'), ...onRoles('bind')], signal);
    const inRoles = overRoles.length === 0 ? [] : await askOneself(client, grantedRights(namespace), signal);
    const lackingInRoles =
      inRoles.length === 0 ? [] : [...overRoles.map(rightText), `nor ${rightsInRoles(inRoles)}`];
    return {
      stock: [...(await missingOn(stock)), ...lackingInRoles],
      options: await missingOn(options),
    };
  });

const rightsInRoles = (rights: readonly Right[]): string =>
  `${rights.length} of the rights in our roles, such as ${rights.slice(0, 1).map(rightText)}`;
