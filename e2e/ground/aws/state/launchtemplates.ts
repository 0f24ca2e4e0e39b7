import { AwsError } from '../protocol/errors.ts';
import { hexOf } from '../random.ts';

/** A launch template with the only version that Karpenter makes of it. */
export interface LaunchTemplate {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  readonly tags: ReadonlyMap<string, string>;
  readonly imageId: string;
  /** As given: base64. */
  readonly userData: string;
  readonly securityGroupIds: readonly string[];
  readonly instanceTags: ReadonlyMap<string, string>;
  readonly rootVolumeGiB: number;
}

export interface LaunchTemplates {
  list(): readonly LaunchTemplate[];
  /** Throws InvalidLaunchTemplateName.AlreadyExistsException. */
  create(template: Omit<LaunchTemplate, 'id' | 'createdAt'>): LaunchTemplate;
  /** By name or id. Throws InvalidLaunchTemplateName.NotFoundException or InvalidLaunchTemplateId.NotFound. */
  find(by: { readonly name: string | undefined; readonly id: string | undefined }): LaunchTemplate;
  delete(template: LaunchTemplate): void;
}

export const createLaunchTemplates = (now: () => number): LaunchTemplates => {
  const byName = new Map<string, LaunchTemplate>();
  return {
    list: () => [...byName.values()],
    create: (template) => {
      if (byName.has(template.name))
        throw new AwsError(
          'InvalidLaunchTemplateName.AlreadyExistsException',
          `Launch template name already in use: ${template.name}`,
        );
      const created = { ...template, id: `lt-0${hexOf(16, 'lt', template.name)}`, createdAt: now() };
      byName.set(template.name, created);
      return created;
    },
    find: ({ name, id }) => {
      if (name !== undefined) {
        const found = byName.get(name);
        if (found !== undefined) return found;
        throw new AwsError(
          'InvalidLaunchTemplateName.NotFoundException',
          `At least one of the launch templates specified in the request does not exist: ${name}`,
        );
      }
      const found = [...byName.values()].find((each) => each.id === id);
      if (found !== undefined) return found;
      throw new AwsError(
        'InvalidLaunchTemplateId.NotFound',
        `The specified launch template, with template ID ${id}, does not exist.`,
      );
    },
    delete: (template) => {
      byName.delete(template.name);
    },
  };
};
