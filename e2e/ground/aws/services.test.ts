import t from 'tap';
import { imagesFor } from './state/images.ts';
import { readTypes, startTestRegion } from './testing/testregion.ts';

const { url, region, close } = await startTestRegion(await readTypes());
t.teardown(close);

/** A request signed for a service, as far as the endpoint looks at signatures. */
const call = async (
  service: string,
  request: { readonly path?: string; readonly target?: string; readonly body?: string },
): Promise<{ readonly status: number; readonly text: string }> => {
  const response = await fetch(`${url}${request.path ?? '/'}`, {
    method: request.body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=ground/20261122/us-west-2/${service}/aws4_request`,
      ...(request.target === undefined ? {} : { 'x-amz-target': request.target }),
    },
    ...(request.body === undefined ? {} : { body: request.body }),
  });
  return { status: response.status, text: await response.text() };
};

const json = (service: string, target: string, body: object) =>
  call(service, { target, body: JSON.stringify(body) });

t.test('EKS describes its cluster and knows no other', async (t) => {
  const found = await call('eks', { path: '/clusters/ground' });
  t.match(JSON.parse(found.text), { cluster: { name: 'ground', status: 'ACTIVE', version: '1.36' } });
  const other = await call('eks', { path: '/clusters/other' });
  t.equal(other.status, 404);
  t.match(JSON.parse(other.text), { __type: 'ResourceNotFoundException' });
});

t.test('the images that SSM recommends are those that EC2 describes', async (t) => {
  const name = '/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/arm64/standard/recommended/image_id';
  const { text } = await json('ssm', 'AmazonSSM.GetParameter', { Name: name });
  const id: string = JSON.parse(text).Parameter.Value;
  t.equal(imagesFor('1.36').find((each) => each.id === id)?.architecture, 'arm64');
  const body = new URLSearchParams({ Action: 'DescribeImages', 'ImageId.1': id }).toString();
  t.match((await call('ec2', { body })).text, new RegExp(`<imageId>${id}</imageId>.*<architecture>arm64<`));
});

t.test('a parameter and a queue that are not there have errors of their own', async (t) => {
  const parameter = await json('ssm', 'AmazonSSM.GetParameter', { Name: '/mine' });
  t.match(JSON.parse(parameter.text), { __type: 'ParameterNotFound' });
  const queue = await json('sqs', 'AmazonSQS.GetQueueUrl', { QueueName: 'mine' });
  t.match(JSON.parse(queue.text), { __type: 'QueueDoesNotExist' });
  t.equal(queue.status, 400);
});

t.test('a message is received by one who waits for it, and deleted', async (t) => {
  const { text } = await json('sqs', 'AmazonSQS.GetQueueUrl', { QueueName: 'ground-interruptions' });
  const { QueueUrl } = JSON.parse(text);
  const waiting = json('sqs', 'AmazonSQS.ReceiveMessage', { QueueUrl, WaitTimeSeconds: 20 });
  await json('sqs', 'AmazonSQS.SendMessage', { QueueUrl, MessageBody: 'hello' });
  const [message] = JSON.parse((await waiting).text).Messages;
  t.equal(message.Body, 'hello');
  await json('sqs', 'AmazonSQS.DeleteMessage', { QueueUrl, ReceiptHandle: message.ReceiptHandle });
  t.equal(region.queue.size, 0);
});

t.test('an instance profile has one role, and goes only without it', async (t) => {
  const iam = (fields: Record<string, string>) =>
    call('iam', { body: new URLSearchParams({ InstanceProfileName: 'p', ...fields }).toString() });
  t.match(await iam({ Action: 'GetInstanceProfile' }), { status: 404, text: /NoSuchEntity/ });
  t.match(await iam({ Action: 'CreateInstanceProfile' }), { status: 200 });
  t.match(await iam({ Action: 'CreateInstanceProfile' }), { status: 409, text: /EntityAlreadyExists/ });
  t.match(await iam({ Action: 'AddRoleToInstanceProfile', RoleName: 'node' }), { status: 200 });
  t.match(await iam({ Action: 'AddRoleToInstanceProfile', RoleName: 'other' }), { status: 409 });
  t.match(await iam({ Action: 'GetInstanceProfile' }), { text: /<RoleName>node<\/RoleName>/ });
  t.match(await iam({ Action: 'DeleteInstanceProfile' }), { status: 409, text: /DeleteConflict/ });
  await iam({ Action: 'RemoveRoleFromInstanceProfile', RoleName: 'node' });
  t.match(await iam({ Action: 'DeleteInstanceProfile' }), { status: 200 });
});

t.test('what the endpoint does not serve is said to be unknown', async (t) => {
  t.match(await call('ec2', { body: 'Action=ReserveMoon' }), { status: 400, text: /InvalidAction/ });
  t.match(await call('s3', {}), { status: 404, text: /does not serve s3/ });
});
