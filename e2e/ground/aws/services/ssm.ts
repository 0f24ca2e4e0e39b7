import { z } from 'zod';
import { AwsError } from '../protocol/errors.ts';
import type { Region } from '../region.ts';
import { imagesFor } from '../state/images.ts';

const REQUEST = z.object({ Name: z.string() });

const IMAGE =
  /^\/aws\/service\/eks\/optimized-ami\/([\d.]+)\/amazon-linux-2023\/(\w+)\/(\w+)\/([\w.-]+)\/image_id$/;

const imageIdOf = (name: string): string | undefined => {
  const [, version = '', architecture, variant, release] = IMAGE.exec(name) ?? [];
  return imagesFor(version).find(
    (each) =>
      each.architecture === architecture &&
      each.variant === variant &&
      (release === 'recommended' || release === each.name),
  )?.id;
};

/** Systems Manager: the public parameters that name EKS's images. */
export const ssm = (action: string, body: unknown, region: Region): object => {
  if (action !== 'GetParameter')
    throw new AwsError('UnknownOperationException', `the endpoint does not know ${action}`);
  const { Name } = REQUEST.parse(body);
  const value = imageIdOf(Name);
  if (value === undefined) throw new AwsError('ParameterNotFound', `Parameter ${Name} not found.`);
  return {
    Parameter: {
      Name,
      Type: 'String',
      Value: value,
      Version: 1,
      DataType: 'text',
      ARN: `arn:aws:ssm:${region.name}::parameter${Name}`,
    },
  };
};
