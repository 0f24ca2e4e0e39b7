import { isoTime } from '../ec2/action.ts';
import { AwsError } from '../protocol/errors.ts';
import { child, type Form, list, required, text } from '../protocol/form.ts';
import { pageOf } from '../protocol/paging.ts';
import type { Xml } from '../protocol/xml.ts';
import { hexOf } from '../random.ts';
import type { Region } from '../region.ts';
import type { InstanceProfile } from '../state/instanceprofiles.ts';

type IamAction = (form: Form, region: Region) => Xml;

const role = (name: string, region: Region): Xml => ({
  Path: '/',
  RoleName: name,
  RoleId: `AROA${hexOf(17, 'role', name).toUpperCase()}`,
  Arn: `arn:aws:iam::${region.account}:role/${name}`,
  CreateDate: '2026-11-01T00:00:00Z',
  AssumeRolePolicyDocument: '',
});

const describe = (profile: InstanceProfile, region: Region): Xml => ({
  Path: profile.path,
  InstanceProfileName: profile.name,
  InstanceProfileId: `AIPA${hexOf(17, 'profile', profile.name).toUpperCase()}`,
  Arn: `arn:aws:iam::${region.account}:instance-profile${profile.path}${profile.name}`,
  CreateDate: isoTime(profile.createdAt),
  Roles: profile.roles.map((name) => role(name, region)),
  Tags: [...profile.tags].map(([Key, Value]) => ({ Key, Value })),
});

const tagsOf = (form: Form): ReadonlyMap<string, string> =>
  new Map(
    list(child(form, 'Tags'), 'member').map((each) => [text(each, 'Key') ?? '', text(each, 'Value') ?? '']),
  );

const profileName = (form: Form): string => required(form, 'InstanceProfileName');

const ACTIONS: Readonly<Record<string, IamAction>> = {
  GetInstanceProfile: (form, region) => ({
    InstanceProfile: describe(region.instanceProfiles.get(profileName(form)), region),
  }),
  CreateInstanceProfile: (form, region) => ({
    InstanceProfile: describe(
      region.instanceProfiles.create(profileName(form), text(form, 'Path') ?? '/', tagsOf(form)),
      region,
    ),
  }),
  DeleteInstanceProfile: (form, region) => {
    region.instanceProfiles.delete(profileName(form));
    return {};
  },
  AddRoleToInstanceProfile: (form, region) => {
    const { roles } = region.instanceProfiles.get(profileName(form));
    if (roles.length > 0)
      throw new AwsError(
        'LimitExceeded',
        'Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1',
        409,
      );
    region.instanceProfiles.change(profileName(form), { roles: [required(form, 'RoleName')] });
    return {};
  },
  RemoveRoleFromInstanceProfile: (form, region) => {
    const { roles } = region.instanceProfiles.get(profileName(form));
    const gone = required(form, 'RoleName');
    region.instanceProfiles.change(profileName(form), { roles: roles.filter((each) => each !== gone) });
    return {};
  },
  TagInstanceProfile: (form, region) => {
    const { tags } = region.instanceProfiles.get(profileName(form));
    region.instanceProfiles.change(profileName(form), { tags: new Map([...tags, ...tagsOf(form)]) });
    return {};
  },
  ListInstanceProfiles: (form, region) => {
    const maxItems = text(form, 'MaxItems');
    const { items, nextToken } = pageOf(
      region.instanceProfiles.list(text(form, 'PathPrefix') ?? '/'),
      (each) => each.name,
      { maxResults: maxItems === undefined ? undefined : Number(maxItems), nextToken: text(form, 'Marker') },
      1000,
    );
    return {
      InstanceProfiles: items.map((each) => describe(each, region)),
      IsTruncated: nextToken !== undefined,
      Marker: nextToken,
    };
  },
  GetRole: (form, region) => ({ Role: role(required(form, 'RoleName'), region) }),
};

/** Identity and Access Management: instance profiles, and roles that are always there. */
export const iam = (action: string, form: Form, region: Region): Xml => {
  const perform = ACTIONS[action];
  if (perform === undefined) throw new AwsError('InvalidAction', `Could not find operation ${action}`);
  return perform(form, region);
};
