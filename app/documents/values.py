"""How many values an operation can return: what is selected of each record, times the records.

The cost of an operation counts records, whatever is selected of them; this bounds what is written of them.
"""

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    TypeNameMetaFieldDef,
)

from app.documents.cost import Cost, add, multiply
from app.documents.costing import (
    ROOTS,
    CostReader,
    has_pages,
    is_list,
    list_object_types,
    read_key_count,
    read_page_size,
)
from app.documents.selections import applies

INTROSPECTION = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


class ValueReader(CostReader):
    """Finds the numbers of values of a valid document's operations; those of introspection do not count.

    Of one object, a fragment counts once, and so does a response name without a selection: `_seen` has both. Of a
    page, its lists have the size of the page, and all else counts once: `_reads_lists` says which is read.
    """

    def __init__(self, document: DocumentNode) -> None:
        super().__init__(document)
        self._seen: set[str] = set()
        self._reads_lists: bool | None = None
        self._counted: dict[tuple[int, str], Cost] = {}

    def read_operation(self, operation: OperationDefinitionNode) -> Cost:
        self._seen = set()
        return super().read_operation(operation)

    def read_fragment(self, name: str, of: GraphQLObjectType) -> Cost:
        spread = f"...{name}"
        if spread in self._seen:
            return Cost()
        self._seen.add(spread)
        fragment = self._fragments[name]
        return self.read_selections(fragment.selection_set, of) if applies(fragment.type_condition, of) else Cost()

    def read_field(self, node: FieldNode, of: GraphQLObjectType) -> Cost:
        if node.name.value in INTROSPECTION:
            return Cost()
        definition = of.fields.get(node.name.value) or TypeNameMetaFieldDef
        if self._reads_lists is not None and is_list(definition.type) is not self._reads_lists:
            return Cost()
        if node.selection_set is None:
            key = node.alias.value if node.alias else node.name.value
            is_new = key not in self._seen
            self._seen.add(key)
            return Cost(int(is_new))
        place = id(node), of.name
        if place not in self._counted:
            self._counted[place] = self._count(node, node.selection_set, definition, of)
        return self._counted[place]

    def _count(
        self, node: FieldNode, selections: SelectionSetNode, definition: GraphQLField, of: GraphQLObjectType
    ) -> Cost:
        types = list_object_types(definition.type)
        if has_pages(definition):
            lists = self._count_object(selections, types[0], reads_lists=True)
            others = self._count_object(selections, types[0], reads_lists=False)
            return add([multiply(read_page_size(node, definition), [lists]), others])
        item = multiply(1, [self._count_object(selections, each) for each in types])
        return multiply(read_key_count(node, definition), [item]) if of in ROOTS else item

    def _count_object(
        self, selections: SelectionSetNode, of: GraphQLObjectType, *, reads_lists: bool | None = None
    ) -> Cost:
        """The values of one object, in which nothing has been seen yet."""
        before = self._seen, self._reads_lists
        self._seen, self._reads_lists = set(), reads_lists
        values = self.read_selections(selections, of)
        self._seen, self._reads_lists = before
        return values
