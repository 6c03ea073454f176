// Rules of this code base that no ready-made rule holds. STYLE: a union of literals says the same as an enum, and survives JSON.
export default {
  meta: { name: 'segue' },
  rules: {
    'no-enum': {
      create: (context) => ({
        TSEnumDeclaration: (node) => context.report({ node, message: 'No enums: write a union of literals.' }),
      }),
    },
  },
};
