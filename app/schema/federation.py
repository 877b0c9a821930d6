"""The definitions of federation's directives, which make `schema.graphql` complete for the tools of clients.

Gateways know the directives from `@link`, and accept definitions of them that agree with the specification.
"""

DIRECTIVES = """\
directive @link(url: String!, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA

directive @key(fields: federation__FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE

directive @shareable repeatable on OBJECT | FIELD_DEFINITION

enum link__Purpose {
  SECURITY
  EXECUTION
}

scalar link__Import

scalar federation__FieldSet
"""
SCOPES = """\
directive @requiresScopes(scopes: [[federation__Scope!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM

scalar federation__Scope
"""


def define_directives(sdl: str, *, scopes: bool) -> str:
    """A subgraph's SDL with the definitions of the directives that it imports; with `scopes`, of @requiresScopes too.

    Follows Apollo Federation 2.5 and "@link" 1.0.
    """
    return "\n".join((sdl, DIRECTIVES, SCOPES) if scopes else (sdl, DIRECTIVES))
