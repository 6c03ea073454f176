// The boot file's text, because the server's parser is the judge of it.

import type { ListedModel } from '../../src/domain/list';
import { namesInBootText, toBootText } from '../../src/serving/model-list';

test('an empty list is written as one: an empty file would start a server that ends in a deadlock', () => {
  expect(toBootText([])).toBe('model_config_list: {}\n');
});

test('the promoted list, in protobuf text', () => {
  const half: ListedModel = { name: 'half', basePath: '/srv/a "b"/models/half', platform: 'tensorflow', versions: ['9223372036854775807'], labels: {} };
  expect(toBootText([half])).toBe(`model_config_list: {
  config: {
    name: "half"
    base_path: "/srv/a \\"b\\"/models/half"
    model_platform: "tensorflow"
    model_version_policy: {
      specific: {
        versions: 9223372036854775807
      }
    }
  }
}
`);
  expect(namesInBootText(toBootText([half]))).toEqual(['half']);
});

test('what is no list has no names, which is not the same as an empty list', () => {
  expect(namesInBootText('model_config_list {}')).toEqual([]);
  expect(namesInBootText('')).toBeUndefined();
  expect(namesInBootText('model_config_list { conf')).toBeUndefined();
});
