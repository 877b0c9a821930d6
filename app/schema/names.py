"""The GraphQL names of a record's properties and orders, and of the groupings of absences."""

from app.plan.order import OrderKey
from app.plan.properties import Property

FIELD_NAMES = {
    Property.ID: "id",
    Property.BOOKING_ID: "bookingId",
    Property.SESSION_ID: "sessionId",
    Property.STATUS: "status",
    Property.NUMBER_OF_ATTENDEES: "numberOfAttendees",
    Property.CREATED_AT: "createdAt",
    Property.UPDATED_AT: "updatedAt",
}
PROPERTIES_OF_FIELDS = {name: of for of, name in FIELD_NAMES.items()}
ORDER_KEYS = {
    "ID_ASC": OrderKey(Property.ID),
    "BOOKING_ID_ASC": OrderKey(Property.BOOKING_ID),
    "SESSION_ID_ASC": OrderKey(Property.SESSION_ID),
    "STATUS_ASC": OrderKey(Property.STATUS),
    "NUMBER_OF_ATTENDEES_ASC": OrderKey(Property.NUMBER_OF_ATTENDEES),
    "NUMBER_OF_ATTENDEES_DESC": OrderKey(Property.NUMBER_OF_ATTENDEES, descending=True),
}
GROUPINGS = {"BOOKING": Property.BOOKING_ID, "SESSION": Property.SESSION_ID}
