"""The fragments of a document, by which its selections are followed."""

from graphql import DocumentNode, FragmentDefinitionNode


def find_fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """A document's fragments by their names."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
